"""Public functions of Python for what commands do with data sets: values in, values out, nothing printed."""
