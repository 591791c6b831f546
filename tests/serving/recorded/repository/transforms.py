"""The function that is computed at the time of asking."""


def scaled(inputs):
    return {
        "scaled": [
            None if value is None else value * factor
            for value, factor in zip(inputs["ratio"], inputs["factor"], strict=True)
        ]
    }
