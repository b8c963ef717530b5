"""Great Expectations suites run on the warehouse; one CheckResult per expectation."""
