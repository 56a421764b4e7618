"""What stands between a command and the library: gin files, their mistakes, the doctor."""
