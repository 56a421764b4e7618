"""The layer between the command line and the library: gin files, error messages, `doctor`."""
