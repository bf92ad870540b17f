{# The incremental strategy `changed_groups`: rows of groups that are others now, or none, give way to those made of them. #}
{% macro get_incremental_changed_groups_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arguments['target_relation'] }} as built
    where
        not exists (
            select 1
            from {{ model_relation(model.name ~ '_hashed') }} as hashed
            where built.group_hash = hashed.group_hash and built.inputs_hash = hashed.inputs_hash
        );

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}
