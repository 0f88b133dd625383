"""What analysts of incidents share: recorded cases, readers of their files, windows, findings."""
