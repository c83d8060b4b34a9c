"""The floor: the same server, framework and answer, with the cities in a dictionary instead of a database."""

import csv
from pathlib import Path

from flask import Flask, request
from flask.typing import ResponseReturnValue

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
CITIES = Path(__file__).parents[2] / "app" / "cities" / "data" / "city.csv"

app = Flask(__name__)

with CITIES.open(encoding="utf-8", newline="") as file:
    rows = sorted(csv.DictReader(file), key=lambda row: -int(row["city_id"]))
ids = {row["city"].strip().casefold(): int(row["city_id"]) for row in rows}


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    city_id = ids.get(name.strip().casefold())
    if city_id is None:
        return f'City "{name}" not found\n', 404, TEXT
    return f'City "{name}" is #{city_id}\n', TEXT
