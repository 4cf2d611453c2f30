"""Where events come from: recorded files, drawn scenes."""
