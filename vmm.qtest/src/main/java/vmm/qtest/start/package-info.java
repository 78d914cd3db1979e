/** What the launching JVM runs on its class path: a framework with the few bundles that a board needs. Not part of the bundle's life. */
package vmm.qtest.start;
