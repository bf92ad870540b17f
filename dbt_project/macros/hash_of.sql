{# A hash, 64 bits wide, over expressions of any types, in which NULL is a value like any other. It is hashed once more:
   warehouses combine the hashes of values so simply that the same change in two rows is none in the xor of both. #}
{% macro hash_of(expressions) -%}
    {{ return(adapter.dispatch('hash_of', 'unified_ticketing')(expressions)) }}
{%- endmacro %}

{% macro postgres__hash_of(expressions) -%}
    hashint8extended(hash_record_extended(row({{ expressions | join(', ') }}), 0), 0)
{%- endmacro %}

{% macro duckdb__hash_of(expressions) -%}
    hash(hash({{ expressions | join(', ') }}))
{%- endmacro %}
