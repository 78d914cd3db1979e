/** What is spoken with clients: the qtest text protocol, and as much of QMP as test programs use. Bad input gets an error, never more. */
package vmm.qtest.protocol;
