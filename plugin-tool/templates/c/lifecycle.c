// The plugin's two hooks, each a file that could also be a plugin by itself. They are joined by #include, so that the
// Makefile compiles one file, whatever the plugin has in it, and what one hook defines the other can use.
#include "before_start.c"
#include "after_exit.c"
