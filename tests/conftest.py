"""What all tests share: the groups that must be asked for, and the conformance report."""

pytest_plugins = ["pytester", "tests.conformance.groups", "tests.conformance.plugin"]
