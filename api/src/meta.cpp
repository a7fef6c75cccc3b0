// see header
