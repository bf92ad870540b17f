{# Before a build: refuses, in words, a variable that names no time zone of the warehouse's; whoever sets it does not read
   SQL. #}
{% macro refuse_unknown_time_zone(variable) -%}
    {%- set zone = var(variable) -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test') -%}
        {%- set known = run_query(
            "select count(*) as known_count from pg_timezone_names() where name = '" ~ (zone | string | replace("'", "''")) ~ "'"
        ) -%}
        {%- if known.rows[0]['known_count'] == 0 -%}
            {{ exceptions.raise_compiler_error(
                'dbt_project/dbt_project.yml: ' ~ variable ~ ' is to be mended:\n  "' ~ zone
                ~ '": no such time zone; they are called like Europe/Oslo'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
