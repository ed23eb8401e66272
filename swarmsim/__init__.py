"""swarmsim simulates how hospitals train one model together without pooling their patients."""

__all__ = ["__version__"]

__version__ = "0.1.0"
