"""What the readers of AEDAT 2.0 and 3.1 are made of: compiled loops, headers, the sensors of iniVation's cameras."""
