"""What people see: overlay, video, window."""
