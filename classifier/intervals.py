"""How sure a share is that was counted on a sample."""

from __future__ import annotations

from math import sqrt

#: Standard deviations on both sides of the mean that hold 95 % of a normal distribution.
Z_95 = 1.959963984540054


def wilson(right: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The interval of the share `right` of `n` (E. B. Wilson, 1927): (low, high), both 0 to 1; (0, 1) when n is 0.

    It stays within 0 to 1 and keeps its promise for small n and for shares near 0 or 1, where the usual one does not.
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # Rounding must not push the share itself out of the interval where it is 0 or 1.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
