{# The number in a numbered entity: &#8217; or &#x2019;. #}
{% macro html_code_point(piece, is_hexadecimal) -%}
    {{ return(adapter.dispatch('html_code_point', 'unified_ticketing')(piece, is_hexadecimal)) }}
{%- endmacro %}

{% macro default__html_code_point(piece, is_hexadecimal) -%}
    {%- if is_hexadecimal -%}
        cast(cast('x' || lpad(rtrim(substr({{ piece }}, 4), ';'), 8, '0') as bit(32)) as integer)
    {%- else -%}
        cast(rtrim(substr({{ piece }}, 3), ';') as integer)
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__html_code_point(piece, is_hexadecimal) -%}
    {%- if is_hexadecimal -%}
        try_cast('0x' || rtrim(substr({{ piece }}, 4), ';') as integer)
    {%- else -%}
        try_cast(rtrim(substr({{ piece }}, 3), ';') as integer)
    {%- endif -%}
{%- endmacro %}
