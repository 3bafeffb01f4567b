"""OFX, both the SGML of version 1 and the XML of version 2."""
