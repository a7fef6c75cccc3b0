// Gives each precompiled header a target to belong to.
