// With an assembly file in it, a package may declare functions without a body.
