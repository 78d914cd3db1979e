/** Other people's test suites, run against the deployed runtime. */
package itest.conformance;
