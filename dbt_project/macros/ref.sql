{# Relations without their database's name, so that a view still stands in a copy of a DuckDB file under another name. #}

{% macro ref() -%}
    {%- do return(builtins.ref(*varargs, **kwargs).include(database=false)) -%}
{%- endmacro %}

{% macro source() -%}
    {%- do return(builtins.source(*varargs).include(database=false)) -%}
{%- endmacro %}
