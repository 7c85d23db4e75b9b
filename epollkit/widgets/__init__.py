"""What explorables, predictions and the quiz share on a page."""
