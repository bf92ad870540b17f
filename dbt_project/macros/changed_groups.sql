{# Of a model `<name>_hashed`, which has a row for each group of rows that the model <name> counts together, with a hash
   over what is counted (`group_hash`, `inputs_hash`): the groups that the table, as it was built before, does not hold
   in that way. It says of each of its rows of what it was made, so that no build before has to be trusted. #}
{% macro changed_groups(hashed) -%}
    (
        select hashed.*
        from {{ hashed }} as hashed
        {% if is_incremental() -%}
            where
                not exists (
                    select 1
                    from {{ this }} as built
                    where built.group_hash = hashed.group_hash and built.inputs_hash = hashed.inputs_hash
                )
        {%- endif %}
    )
{%- endmacro %}
