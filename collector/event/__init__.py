"""What a sender sent: from bytes to a frozen `Payload`. No I/O."""
