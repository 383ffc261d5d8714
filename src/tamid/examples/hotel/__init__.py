"""Hotel bookings that may be cancelled: a contract, and what makes its data."""
