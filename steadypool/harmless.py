"""What is known to change nothing of a session: names, functions, operators and texts in daily use."""

import re

# Of which SQLAlchemy knows no more than the name: pure functions of MySQL, MariaDB, PostgreSQL and SQLite, by their
# manuals. Not sequences, locks, settings, sleep, files, or what keeps something for later (LAST_INSERT_ID(x)).
FUNCTIONS = re.compile(
    """
    abs|acos|asin|atan|atan2|cos|cot|degrees|exp|ln|log|log10|log2|mod|pi|pow|power|radians|rand|round|sign|sin|sqrt|tan|
    ceil|ceiling|floor|trunc|truncate|greatest|least|width_bucket|
    avg|total|stddev|stddev_pop|stddev_samp|variance|var_pop|var_samp|bit_and|bit_or|bit_xor|bool_and|bool_or|every|
    any_value|corr|covar_pop|covar_samp|string_agg|group_concat|array_agg|
    row_number|rank|dense_rank|percent_rank|cume_dist|ntile|lag|lead|first_value|last_value|nth_value|
    ascii|bin|char_length|character_length|chr|concat_ws|field|find_in_set|hex|initcap|insert|instr|lcase|left|length|
    locate|lower|lpad|ltrim|md5|mid|octet_length|ord|overlay|position|quote|regexp_instr|regexp_like|regexp_match|
    regexp_replace|regexp_substr|repeat|replace|reverse|right|rpad|rtrim|sha1|sha2|soundex|space|split_part|starts_with|
    strcmp|strpos|substr|substring|substring_index|to_hex|translate|trim|ucase|unhex|unicode|upper|
    similarity|word_similarity|unaccent|to_tsquery|to_tsvector|plainto_tsquery|websearch_to_tsquery|ts_rank|ts_rank_cd|
    adddate|addtime|age|convert_tz|curdate|curtime|date|date_add|date_bin|date_format|date_part|date_sub|date_trunc|
    datediff|datetime|day|dayname|dayofmonth|dayofweek|dayofyear|from_days|from_unixtime|hour|julianday|last_day|
    make_date|make_interval|make_time|make_timestamp|make_timestamptz|makedate|microsecond|minute|month|monthname|
    quarter|sec_to_time|second|str_to_date|strftime|subdate|subtime|time|time_format|timediff|timestamp|timestampadd|
    timestampdiff|to_char|to_date|to_days|to_number|to_timestamp|unix_timestamp|unixepoch|utc_date|utc_time|
    utc_timestamp|week|weekday|weekofyear|year|yearweek|clock_timestamp|statement_timestamp|transaction_timestamp|
    if|ifnull|iif|isnull|nullif|nvl|nvl2|exists|distinct|array_append|array_length|array_position|array_remove|
    array_to_string|cardinality|string_to_array|unnest|generate_series|
    json|json_agg|json_array|json_array_length|json_arrayagg|json_build_array|json_build_object|json_contains|
    json_contains_path|json_each|json_extract|json_extract_path|json_extract_path_text|json_group_array|
    json_group_object|json_insert|json_keys|json_length|json_object|json_object_agg|json_objectagg|json_overlaps|
    json_quote|json_remove|json_replace|json_search|json_set|json_type|json_typeof|json_unquote|json_valid|json_value|
    jsonb_agg|jsonb_array_elements|jsonb_array_elements_text|jsonb_array_length|jsonb_build_array|jsonb_build_object|
    jsonb_each|jsonb_each_text|jsonb_extract_path|jsonb_extract_path_text|jsonb_object_agg|jsonb_object_keys|
    jsonb_path_exists|jsonb_path_query|jsonb_set|jsonb_strip_nulls|jsonb_typeof|row_to_json|to_json|to_jsonb|
    gen_random_uuid|uuid|uuid_generate_v4|uuid_to_bin|bin_to_uuid|
    st_area|st_asgeojson|st_astext|st_contains|st_distance|st_distance_sphere|st_dwithin|st_geomfromtext|st_intersects|
    st_makepoint|st_setsrid|st_within|st_x|st_y
    """.replace("\n", "").replace(" ", ""),
    re.IGNORECASE,
)

# Signs alone, or words that compare or compute: nothing that calls, assigns, names a variable or hides what follows.
OPERATORS = re.compile(
    r"(?!.*(--|/\*|\*/))[-+*/<>=~!@%^&|?]+|#>>?|#-|<#>|"
    r"(NOT )?(I?LIKE|RLIKE|REGEXP|SIMILAR TO|GLOB|MATCH|OVERLAPS|MEMBER OF|IN|BETWEEN)|"
    r"SOUNDS LIKE|IS( NOT)?( DISTINCT FROM)?|AT TIME ZONE|AND|OR|XOR|DIV|MOD|COLLATE",
    re.IGNORECASE,
)

LITERALS = re.compile(r"\*|-?[0-9]+(\.[0-9]+)?|'[^'\\]*'")
"""count(*) has a column in text as well."""

NAMES = re.compile(r"[^\W\d]\w*")

TEXTS = re.compile(
    r"now\(\)|(current_timestamp|current_date|localtimestamp)(\((\d?)\))?|[0-9]+|'[^'\\]*'", re.IGNORECASE
)
"""What stands in text where a column has a default."""
