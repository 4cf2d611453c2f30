"""Events in other libraries' arrays: which column is which, the unit of their times, their types."""
