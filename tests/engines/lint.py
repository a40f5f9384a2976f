"""What a portable text may not contain: each pattern is something that DuckDB, Spark or Sail reads otherwise or not."""

import re

BANNED = {
    "FILTER without WHERE": r"FILTER \((?!WHERE )",
    "a cast by ::": r"::",
    "CAST AS VARCHAR": r"(?i)\bAS VARCHAR\b",
    "//": r"//",
    "a list": r"\[",
    "EXCLUDE, REPLACE": r"(?i)\b(EXCLUDE|REPLACE) ?\(",
    "ASOF, QUALIFY, DIV, RLIKE, ANTI, SEMI, USING": r"(?i)\b(ASOF|QUALIFY|DIV|RLIKE|ANTI|SEMI|USING)\b",
    "GROUP BY ALL, ORDER BY ALL": r"(?i)\bBY ALL\b",
    "a function of one engine": r"(?i)\b(quantile_cont|percentile_cont|median|arg_min|arg_max|regexp_\w+|unnest|"
    r"strftime|date_trunc|epoch\w*|timezone|fsum|exact_sum|priced_sum|from_enough|favg|log10|ln|now|round)\(",
    "a quoted name": r'"',
    "a literal with a quote or a backslash": r"''|\\",
    "a division by zero": r"/ 0\b",
    "a parameter by its place": r"\?",
}


def problems(text: str) -> list[str]:
    """What is not portable in a text, as it reaches an engine."""
    return [name for name, pattern in BANNED.items() if re.search(pattern, text)]
