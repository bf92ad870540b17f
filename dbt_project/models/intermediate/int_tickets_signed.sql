{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select
        tickets.connection_id,
        connections.integration_type,
        tickets.ticket_id as record_id,
        tickets.raw,
        tickets.tags
    from {{ due(ref('stg_unified__tickets')) }} as tickets
    left join {{ ref('stg_unified__connections') }} as connections
        on tickets.connection_id = connections.connection_id

),

ticket_tags as (

    select
        tickets.connection_id,
        tickets.integration_type,
        tickets.record_id,
        tags.tag as found_text,
        '' as path
    from tickets
    {{ join_json_texts('tickets.tags', 'tag') }}

),

matched_signs as (

    {{ signs_matched('ticket', 'tickets') }}
    union all
    {{ signs_matched_in_texts('tag', 'ticket_tags') }}

),

signs as (

    {{ signs_chosen('matched_signs') }}

)

select
    connection_id,
    record_id as ticket_id,
    {{ sign_of('author_role') }} as author_role,
    {{ sign_of('author_role', column='path') }} as author_role_path,
    {{ sign_of('kind') }} as kind,
    {{ sign_of('vendor_status') }} as vendor_status,
    {{ sign_of('satisfaction') }} as satisfaction,
    {{ moment_from_text(sign_of('vendor_first_replied_at')) }} as vendor_first_replied_at,
    {{ moment_from_text(sign_of('vendor_resolved_at')) }} as vendor_resolved_at
from signs
group by connection_id, record_id
