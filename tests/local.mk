# The tests.  Unit tests link the internal library, so they see every symbol;
# tests on programs are shell scripts.  `make check-long` runs the long ones.
dist_check_SCRIPTS =
UNIT_TESTS =

if TESTS_ENABLED
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
