"""The version of vggc."""

__version__ = "0.1.0"
