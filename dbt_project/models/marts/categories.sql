with categories as (

    select * from {{ ref('stg_unified__categories') }}

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

tickets as (

    select
        connection_id,
        category_id,
        count(*) as ticket_count,
        cast(sum(case when is_closed then 0 else 1 end) as bigint) as open_ticket_count,
        cast(sum(case when is_closed then 1 else 0 end) as bigint) as closed_ticket_count,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        {{ median_seconds('resolution_seconds') }} as median_resolution_seconds,
        max(opened_at) as last_ticket_opened_at
    from {{ ref('tickets') }}
    where category_id is not null and not is_deleted and kind not in ('spam', 'merged')
    group by connection_id, category_id

),

climbs as (

    select * from {{ ref('int_categories_climbed') }}

),

paths as (

    select
        climbs.connection_id,
        climbs.category_id,
        {{ text_aggregate(
            'coalesce(ancestors.category_name, ancestors.category_id)', "' / '", '-climbs.steps'
        ) }} as path,
        max(climbs.steps) as depth,
        max(case when climbs.is_broken then 1 else 0 end) as broken
    from climbs
    inner join categories as ancestors
        on
            climbs.connection_id = ancestors.connection_id
            and climbs.ancestor_id = ancestors.category_id
    group by climbs.connection_id, climbs.category_id

),

with_children as (

    select
        climbs.connection_id,
        climbs.ancestor_id as category_id,
        cast(sum(tickets.ticket_count) as bigint) as ticket_count,
        cast(sum(tickets.open_ticket_count) as bigint) as open_ticket_count,
        cast(sum(tickets.closed_ticket_count) as bigint) as closed_ticket_count
    from climbs
    inner join tickets
        on
            climbs.connection_id = tickets.connection_id
            and climbs.category_id = tickets.category_id
    group by climbs.connection_id, climbs.ancestor_id

)

select
    categories.connection_id,
    categories.category_id,
    connections.integration_type,
    categories.category_name,
    categories.parent_category_id,
    paths.path,
    paths.depth,
    coalesce(tickets.ticket_count, 0) as ticket_count,
    coalesce(tickets.open_ticket_count, 0) as open_ticket_count,
    coalesce(tickets.closed_ticket_count, 0) as closed_ticket_count,
    coalesce(with_children.ticket_count, 0) as with_children_ticket_count,
    coalesce(with_children.open_ticket_count, 0) as with_children_open_ticket_count,
    coalesce(with_children.closed_ticket_count, 0) as with_children_closed_ticket_count,
    tickets.median_first_reply_seconds,
    tickets.median_resolution_seconds,
    tickets.last_ticket_opened_at,
    paths.broken = 1 as has_broken_path,
    categories.is_active,
    categories.is_deleted
from categories
inner join paths
    on
        categories.connection_id = paths.connection_id
        and categories.category_id = paths.category_id
left join connections
    on categories.connection_id = connections.connection_id
left join tickets
    on
        categories.connection_id = tickets.connection_id
        and categories.category_id = tickets.category_id
left join with_children
    on
        categories.connection_id = with_children.connection_id
        and categories.category_id = with_children.category_id
