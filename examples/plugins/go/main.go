package main

// A plugin is no program: the wrapper calls the hooks that init functions named, and never main, which Go asks for.
func main() {}
