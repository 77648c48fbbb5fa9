"""The information plane: networks watched while they learn."""
