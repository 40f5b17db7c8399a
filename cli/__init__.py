"""The command line `kizuna`: speaks to the services over HTTP."""
