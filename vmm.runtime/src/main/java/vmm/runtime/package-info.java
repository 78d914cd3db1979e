/** What the launcher runs on its main thread: a command named on the command line, or nothing but staying up. */
package vmm.runtime;
