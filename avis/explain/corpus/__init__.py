"""What explains a whole list: over trials and speakers, not of one trial."""
