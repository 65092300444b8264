"""What runs inside the sandbox. Only these modules decode; nothing outside imports them."""
