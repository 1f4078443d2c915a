"""Workers: devices, models held in memory, and the engine that hears many recordings at once."""
