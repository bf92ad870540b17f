{# Which tickets are built, and from what: a ticket that stands in `int_tickets_built` with its `inputs_hash` is in every
   model of the strategy `due_tickets` as it is to be made of these inputs. One that is due has no hash there, from before the
   first of them is made until all of them are, and all that they are made from: a build that is cut short, or leaves some
   of these out, marks nothing, and the next one makes the same tickets anew, and those that are gone by then.

   It may leave out all the views that these models are made from, if they stand as they are to be. By which logic they
   were made tells the comment of `int_tickets_built`: it is taken away before a run that makes any of them, and is there
   again once all of them were made in one run. That no ticket is due tells nothing of them: one of them may have been made
   since by another logic, which is no more. #}

{# Before a run that makes such models without `int_tickets_due`: the tickets that it makes anew, those found due by an
   earlier run, may come out as no later one expects. Their marks become blank, which is like no hash, and not NULL, as
   after `int_tickets_due`: they are not the only ones that the models are made of. And before a run that makes views which
   these are made from: by which logic they were made is not known until it ends. #}
{% macro blank_marks_of_a_partial_run() -%}
    {%- if execute -%}
        {%- if views_before_tickets() | select('in', selected_resources) | list and is_table(tickets_built_node()) %}
            comment on table {{ model_relation('int_tickets_built') }} is null;
        {%- endif -%}
        {%- set made = models_by_ticket() | map(attribute='unique_id') | select('in', selected_resources) | list -%}
        {%- if made and 'model.unified_ticketing.int_tickets_due' not in selected_resources and are_all_tables_there() %}
            update {{ model_relation('int_tickets_built') }} as built_tickets
            set inputs_hash = ''
            from {{ model_relation('int_tickets_due') }} as due_tickets
            where
                built_tickets.connection_id = due_tickets.connection_id
                and built_tickets.ticket_id = due_tickets.ticket_id
                and built_tickets.inputs_hash is not null
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
{% macro mark_due_tickets() -%}
    {%- if can_build_on() %}
        update {{ model_relation('int_tickets_built') }} as built_tickets
        set inputs_hash = null
        from {{ this }} as due_tickets
        where
            built_tickets.connection_id = due_tickets.connection_id
            and built_tickets.ticket_id = due_tickets.ticket_id;

        insert into {{ model_relation('int_tickets_built') }} (connection_id, ticket_id)
        select
            due_tickets.connection_id,
            due_tickets.ticket_id
        from {{ this }} as due_tickets
        where
            not exists (
                select 1
                from {{ model_relation('int_tickets_built') }} as built_tickets
                where
                    built_tickets.connection_id = due_tickets.connection_id
                    and built_tickets.ticket_id = due_tickets.ticket_id
            )
    {%- else %}
        truncate table {{ model_relation('int_tickets_built') }}
    {%- endif -%}
{%- endmacro %}

{# After a run: `results` are its results. #}
{% macro mark_built_tickets(results) -%}
    {%- if execute -%}
        {%- set made = results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list -%}
        {%- set views = views_before_tickets() -%}
        {%- set are_views_made = views | reject('in', made) | list | length == 0 -%}
        {%- if are_views_made and is_table(tickets_built_node()) %}
            comment on table {{ model_relation('int_tickets_built') }} is '{{ logic_hash() }}';
        {%- endif -%}
        {%- set are_tables_made = models_up_to(models_by_ticket()) | reject('in', views + made) | list | length == 0 -%}
        {%- if are_tables_made and (are_views_made or logic_of_views() == logic_hash()) %}
            delete from {{ model_relation('int_tickets_built') }} as built_tickets
            using {{ model_relation('int_tickets_due') }} as due_tickets
            where
                built_tickets.connection_id = due_tickets.connection_id
                and built_tickets.ticket_id = due_tickets.ticket_id;

            insert into {{ model_relation('int_tickets_built') }} (connection_id, ticket_id, inputs_hash)
            select
                connection_id,
                ticket_id,
                inputs_hash
            from {{ model_relation('int_tickets_due') }}
            where inputs_hash is not null
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# Whether the tickets that are not due can stay as they were built: nobody wants all anew, and all models are there. #}
{% macro can_build_on() -%}
    {{ return(execute and not flags.FULL_REFRESH and are_all_tables_there()) }}
{%- endmacro %}

{% macro are_all_tables_there() -%}
    {%- for node in models_by_ticket() + [tickets_built_node()] if not is_table(node) -%}
        {{ return(false) }}
    {%- endfor -%}
    {{ return(true) }}
{%- endmacro %}

{% macro is_table(node) -%}
    {%- set relation = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
    {{ return(relation is not none and relation.type == 'table') }}
{%- endmacro %}

{% macro tickets_built_node() -%}
    {{ return(graph.nodes['model.unified_ticketing.int_tickets_built']) }}
{%- endmacro %}

{# The nodes of the models that are made ticket by ticket. #}
{% macro models_by_ticket() -%}
    {{ return(graph.nodes.values() | selectattr('config.incremental_strategy', 'equalto', 'due_tickets') | list) }}
{%- endmacro %}

{# The ids of the views that they are made from. #}
{% macro views_before_tickets() -%}
    {%- set views = graph.nodes.values() | selectattr('config.materialized', 'equalto', 'view') -%}
    {{ return(views | map(attribute='unique_id') | select('in', models_up_to(models_by_ticket())) | list) }}
{%- endmacro %}

{# By which logic they were made, as far as it is known. #}
{% macro logic_of_views() -%}
    {%- set relation = model_relation('int_tickets_built') -%}
    {{ return(run_query(adapter.dispatch('comment_of', 'unified_ticketing')(relation)).columns[0].values()[0]) }}
{%- endmacro %}

{% macro postgres__comment_of(relation) -%}
    select obj_description(cast('{{ relation }}' as regclass), 'pg_class')
{%- endmacro %}

{% macro duckdb__comment_of(relation) -%}
    select comment
    from duckdb_tables()
    where
        database_name = current_database()
        and schema_name = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
{%- endmacro %}

{# The relation of a model to which a hook may not refer by `ref`. #}
{% macro model_relation(name) -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.unified_ticketing.' ~ name] -%}
        {{ return(api.Relation.create(schema=node.schema, identifier=node.alias)) }}
    {%- endif -%}
{%- endmacro %}
