{# Instead of dbt's own: where every ticket is due, a model of the strategy `due_tickets` is made from nothing. That is
   quicker than to replace all rows, and its columns may be others now. Only then: `--full-refresh` makes every ticket due
   by `int_tickets_due`, and of this model alone it would leave no more than what is due. A model of the strategy
   `changed_groups` is made from nothing where it was made by another logic, a seed where a warehouse of before holds it in
   other columns. #}
{% macro should_full_refresh() -%}
    {%- if config.get('incremental_strategy') == 'due_tickets' -%}
        {%- if is_anything_built() -%}
            {%- do refuse_to_make_less_than_is_due() -%}
            {{ return(false) }}
        {%- endif -%}
        {%- do refuse_to_drop_views() -%}
        {{ return(true) }}
    {%- elif config.get('incremental_strategy') == 'changed_groups' -%}
        {{ return(flags.FULL_REFRESH or not is_made_by_this_logic()) }}
    {%- elif model.resource_type == 'seed' -%}
        {{ return(flags.FULL_REFRESH or not has_text_columns(config.get('column_types'))) }}
    {%- elif config.get('full_refresh') is not none -%}
        {{ return(config.get('full_refresh')) }}
    {%- endif -%}
    {{ return(flags.FULL_REFRESH) }}
{%- endmacro %}

{# A run of some models may come upon tickets that were found due for another purpose. #}
{% macro refuse_to_make_less_than_is_due() -%}
    {%- if adapter.get_relation(this.database, this.schema, this.identifier) is none -%}
        {{ exceptions.raise_compiler_error(
            'Expected the table ' ~ this ~ ', but it is not there, and only some tickets are due. A `dbt build` of '
            ~ 'the whole project makes it of all tickets.'
        ) }}
    {%- endif -%}
    {%- set query = 'select max(logic_hash) from ' ~ model_relation('int_tickets_due') -%}
    {%- set found = run_query(query).columns[0].values()[0] -%}
    {%- if found is not none and found != logic_hash() -%}
        {{ exceptions.raise_compiler_error(
            'Expected the models, macros and variables by which int_tickets_due was made, but they are others now, '
            ~ 'so that all tickets are due. A `dbt build` of the whole project makes them.'
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Where a table is made from nothing, Postgres drops the views that stand upon it. A run without them must not. #}
{% macro refuse_to_drop_views() -%}
    {%- set views = graph.nodes.values() | selectattr('config.materialized', 'equalto', 'view') -%}
    {%- for view in views if view.unique_id not in selected_resources and model.unique_id in models_up_to([view]) -%}
        {%- if load_relation(this) is not none -%}
            {{ exceptions.raise_compiler_error(
                'Expected a run that makes ' ~ view.alias ~ ', which stands upon ' ~ this ~ ', but it is left out, and '
                ~ 'all tickets are due, so that the table is made from nothing. A `dbt build` of the whole project '
                ~ 'makes both.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro is_made_by_this_logic() -%}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
    {%- if 'logic_hash' not in columns -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set query = 'select count(*) from ' ~ this ~ ' where logic_hash <> ' ~ own_logic_hash() -%}
    {{ return(run_query(query).columns[0].values()[0] == 0) }}
{%- endmacro %}

{% macro has_text_columns(wanted) -%}
    {%- set columns = adapter.get_columns_in_relation(this) -%}
    {{ return(
        columns | map(attribute='name') | map('lower') | sort == wanted | sort
        and columns | map(attribute='dtype') | map('lower') | reject('in', ['varchar', 'character varying', 'text'])
        | list | length == 0
    ) }}
{%- endmacro %}

{# Whether there is a ticket that is not due: those that are have lost their marks before the models are made. #}
{% macro is_anything_built() -%}
    {%- set query -%}
        select count(*)
        from (select 1 from {{ model_relation('int_tickets_built') }} where inputs_hash is not null limit 1) as built
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0] > 0) }}
{%- endmacro %}
