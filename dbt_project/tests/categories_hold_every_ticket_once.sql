-- The tickets of the categories, those that name one that is not there, and those that name none make up all that are
-- work; and what lies below the tops is all of it once.
with counted as (

    select
        coalesce(sum(ticket_count), 0) as ticket_count,
        coalesce(sum(open_ticket_count + closed_ticket_count), 0) as ticket_count_by_state,
        coalesce(sum(case when depth = 0 then with_children_ticket_count else 0 end), 0) as ticket_count_of_tops,
        coalesce(sum(case when depth = 0 then with_children_open_ticket_count else 0 end), 0)
            as open_ticket_count_of_tops,
        coalesce(sum(open_ticket_count), 0) as open_ticket_count
    from {{ ref('categories') }}

),

tickets as (

    select
        count(*) as ticket_count,
        coalesce(sum(case when tickets.category_id is null then 1 else 0 end), 0) as without_id_count,
        coalesce(
            sum(case when tickets.category_id is not null and categories.category_id is null then 1 else 0 end), 0
        ) as dangling_count
    from {{ ref('tickets') }} as tickets
    left join {{ ref('stg_unified__categories') }} as categories
        on
            tickets.connection_id = categories.connection_id
            and tickets.category_id = categories.category_id
    where not tickets.is_deleted and tickets.kind not in ('spam', 'merged')

)

select
    counted.*,
    tickets.without_id_count,
    tickets.dangling_count
from counted
cross join tickets
where
    counted.ticket_count + tickets.without_id_count + tickets.dangling_count <> tickets.ticket_count
    or counted.ticket_count_by_state <> counted.ticket_count
    or counted.ticket_count_of_tops <> counted.ticket_count
    or counted.open_ticket_count_of_tops <> counted.open_ticket_count
