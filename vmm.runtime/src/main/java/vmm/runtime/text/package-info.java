/** Text for people: tables, and numbers with the unit that suits them. */
package vmm.runtime.text;
