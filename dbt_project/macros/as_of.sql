{# The run's clock as a UTC timestamp: `--vars '{as_of: …}'` (ISO-8601, UTC unless it says otherwise), else dbt's start. #}
{% macro as_of() -%}
    {%- set utc = modules.pytz.utc -%}
    {%- set given = var('as_of', none) -%}
    {%- if given -%}
        {%- set moment = modules.datetime.datetime.fromisoformat(given | string) -%}
        {%- set moment = moment.astimezone(utc) if moment.tzinfo else moment -%}
    {%- else -%}
        {%- set moment = run_started_at.astimezone(utc) -%}
    {%- endif -%}
    cast('{{ moment.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}
