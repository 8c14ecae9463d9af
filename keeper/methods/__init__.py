"""Margin methods of other venues, as data and rules on the same scenario engine (docs/methods.md).

margin = portfolio_margin(portfolio, Pm2Parameters.preset())
"""
