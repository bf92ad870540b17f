{# DuckDB's list of a group's values in ascending order of `order_by`. Sorted once it is made: an aggregate with an
   `order by` of its own takes twice the memory. #}
{% macro ordered_list(expression, order_by) -%}
    list_transform(
        list_sort(list(struct_pack(place := {{ order_by }}, item := {{ expression }}))), lambda entry: struct_extract(entry, 'item')
    )
{%- endmacro %}
