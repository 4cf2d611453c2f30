"""AEDAT4, the format of iniVation's DV: flatbuffers in packets, compressed or not (docs/formats.md)."""
