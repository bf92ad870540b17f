{# A hash, 64 bits wide, over expressions of any types, in which NULL is a value like any other. It is hashed once more:
   warehouses combine the hashes of values so simply that the same change in two rows, or two values that change places,
   may be none in the sum over both. Postgres hashes a bigint in 32 bits, and so as text. #}
{% macro hash_of(expressions) -%}
    {{ return(adapter.dispatch('hash_of', 'unified_ticketing')(expressions)) }}
{%- endmacro %}

{% macro postgres__hash_of(expressions) -%}
    hashtextextended(cast(hash_record_extended(row({{ expressions | join(', ') }}), 0) as text), 0)
{%- endmacro %}

{% macro duckdb__hash_of(expressions) -%}
    hash(hash({{ expressions | join(', ') }}))
{%- endmacro %}
