"""Rows of Binance's lists of markets."""

from typing import Any


def spot_market(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "orderTypes": ["LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}],
    }


def linear_market(base: str, quote: str = "USDT") -> dict[str, Any]:
    return {
        "symbol": f"{base}{quote}",
        "pair": f"{base}{quote}",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "orderTypes": ["LIMIT"],
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}],
    }


def delivery_market(base: str, day: str, expiry_ms: int) -> dict[str, Any]:
    return {
        **linear_market(base),
        "symbol": f"{base}USDT_{day}",
        "contractType": "CURRENT_QUARTER",
        "deliveryDate": expiry_ms,
    }


def inverse_market(base: str, contract_size: int) -> dict[str, Any]:
    return {
        **linear_market(base, "USD"),
        "symbol": f"{base}USD_PERP",
        "contractStatus": "TRADING",
        "contractSize": contract_size,
        "marginAsset": base,
    }


def option_market(symbol: str, expiry_ms: int) -> dict[str, Any]:
    base, _, strike, side = symbol.split("-")
    return {
        "symbol": symbol,
        "underlying": f"{base}USDT",
        "quoteAsset": "USDT",
        "side": {"C": "CALL", "P": "PUT"}[side],
        "strikePrice": f"{strike}.00000000",
        "unit": 1,
        "expiryDate": expiry_ms,
        "priceScale": 1,
        "quantityScale": 2,
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "80000", "tickSize": "0.1"}],
    }
